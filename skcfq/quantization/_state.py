"""State dicts that belong to another quantizer are refused."""


def check_same(what, given, expected):
    """Raise if a state dict was saved from a module whose numbers would mean something else here.

    Parameters
    ----------
    what : str
        What is compared, for the message.
    given, expected : object
        Of the state dict, and of the module that loads it.

    Examples
    --------
    >>> check_same("activation bits", 4, 8)
    Traceback (most recent call last):
    ...
    ValueError: The state dict has activation bits 4, this module 8.
    """
    if given != expected:
        raise ValueError(f"The state dict has {what} {given}, this module {expected}.")
