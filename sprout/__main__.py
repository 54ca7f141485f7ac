"""Where the `sprout` command and `python -m sprout` begin."""

import signal


def main() -> None:
    """Run the command line."""
    # Until a command has begun there is nothing to keep: an interrupt ends the process at once, and
    # not in a traceback out of the middle of an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sprout.cli.app import main as run  # noqa: PLC0415 - imported under that signal

    run()


if __name__ == "__main__":
    main()
