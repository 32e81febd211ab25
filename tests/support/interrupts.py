"""Child processes that can be interrupted, wherever the tests themselves were started from."""

import signal


def heed_interrupts() -> None:
    """Undo an ignored SIGINT; for `preexec_fn`.

    A shell without job control starts background jobs with SIGINT ignored, and children inherit that: a test suite
    that was started with `&` would otherwise wait for an interrupt that never comes.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
