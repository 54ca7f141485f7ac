"""Where the `sprout` command and `python -m sprout` begin."""

import signal


def main() -> None:
    """Run the command line."""
    # An interrupt ends the process at once, as SIGTERM does: raised in the middle of an import it
    # would end in a traceback, or be swallowed by a C module. Commands that have something to keep
    # catch both while they work.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sprout.cli.app import main as run  # noqa: PLC0415 - imported under that signal

    run()


if __name__ == "__main__":
    main()
