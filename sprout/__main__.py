"""Run the command line with `python -m sprout`."""

from sprout.cli.app import main

if __name__ == "__main__":
    main()
