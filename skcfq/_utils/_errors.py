"""One error that lists everything that is wrong."""


def raise_problems(subject, problems, error=ValueError):
    """Raise one error naming every problem, or return if there is none.

    Parameters
    ----------
    subject : str
        What was checked, e.g. ``"ActionSet"``: opens the message.
    problems : sequence of str
        One sentence each: what was given, what is allowed, what to do.
    error : type, default=ValueError
        The exception class to raise.

    Raises
    ------
    ValueError
        Or `error`, if `problems` is not empty.

    Examples
    --------
    >>> raise_problems("Loan form", [])
    >>> raise_problems("Loan form", ["age is missing.", "debt is -3, must be >= 0."])
    Traceback (most recent call last):
    ...
    ValueError: Loan form has 2 problems:
      1. age is missing.
      2. debt is -3, must be >= 0.
    """
    problems = list(problems)
    if not problems:
        return
    if len(problems) == 1:
        raise error(f"{subject}: {problems[0]}")
    lines = "\n".join(f"  {i}. {problem}" for i, problem in enumerate(problems, start=1))
    raise error(f"{subject} has {len(problems)} problems:\n{lines}")
