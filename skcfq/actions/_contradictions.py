"""What fields of an action set say against each other."""


def contradictions(actions):
    """Problems between the fields of an action set, in a stable order.

    Parameters
    ----------
    actions : ActionSet
        Its fields in their final form.

    Returns
    -------
    list of str
    """
    problems = []
    mentions = {
        "increase_only": actions.increase_only,
        "decrease_only": actions.decrease_only,
        "bounds": actions.bounds,
        "step": actions.step,
        "allowed_values": actions.allowed_values,
        "transitions": actions.transitions,
    }
    for feature in actions.immutable:
        places = [name for name, features in mentions.items() if feature in features]
        if places:
            problems.append(
                f"{feature!r} is immutable and also in {', '.join(places)}: remove one of the two."
            )
    for feature in actions.increase_only:
        if feature in actions.decrease_only:
            problems.append(
                f"{feature!r} is in increase_only and in decrease_only: make it immutable instead."
            )
    for feature in actions.transitions:
        places = [
            n for n, features in mentions.items() if n != "transitions" and feature in features
        ]
        if places:
            problems.append(
                f"{feature!r} has transitions, which are for categories, and is also in "
                f"{', '.join(places)}: keep one of the two."
            )
    for feature in actions.allowed_values:
        if feature in actions.step:
            problems.append(f"{feature!r} has allowed_values and a step: keep one of the two.")
    owner = {}
    for group, columns in actions.groups.items():
        for column in columns:
            if column in owner:
                problems.append(
                    f"column {column!r} is in the groups {owner[column]!r} and {group!r}."
                )
            owner[column] = group
    return problems
