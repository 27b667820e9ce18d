"""What a look-up can raise, by upstream's names."""


class TransformException(Exception):
    """Base of all errors of tf2."""


class ConnectivityException(TransformException):
    """Both frames are known, but no path leads from one to the other."""


class LookupException(TransformException):
    """A frame is unknown, or the tree is broken."""


class ExtrapolationException(TransformException):
    """The path exists, but not at the time that was asked for."""


class InvalidArgumentException(TransformException):
    """A frame name is empty or starts with a slash."""


class TimeoutException(TransformException):
    """Waiting took too long. Upstream's Python look-ups raise what was wrong with the path instead, and so do ours."""
