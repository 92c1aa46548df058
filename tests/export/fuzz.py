"""Damaged and made-up files, drawn at random."""

import copy

import numpy as np

#: What stands where something else should.
ODD = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**64, 10**400, -(10**18), 0.5, 1e308, -0.0, "", "ternary",
    "../../etc/passwd", "\0", "x" * 5000, [], [[]], [0] * 5000, {}, {"format": 1}, [[10**9, 1.0]],
)  # fmt: skip


def damaged(data, random):
    """Bytes cut, lengthened, flipped, overwritten, moved or blown up."""
    data = bytearray(data)
    kind = random.integers(8)
    at = int(random.integers(len(data)))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        return bytes(data) + random.bytes(int(random.integers(1, 100)))
    if kind == 2:
        for place in random.integers(len(data), size=random.integers(1, 9)):
            data[place] ^= 1 << random.integers(8)
    elif kind == 3:
        n = int(random.integers(1, 64))
        data[at : at + n] = random.bytes(n)
    elif kind == 4:
        del data[at : at + int(random.integers(1, 64))]
    elif kind == 5:  # a length field
        n = int(random.choice([1, 2, 4, 8]))
        at = 0 if random.random() < 0.3 else at
        data[at : at + n] = (2 ** int(random.integers(8 * n))).to_bytes(n, "little")
    elif kind == 6:
        other = int(random.integers(len(data)))
        data[at : at + 32], data[other : other + 32] = data[other : other + 32], data[at : at + 32]
    else:  # a number in text
        digits = [i for i, byte in enumerate(data) if 48 <= byte < 58]
        for place in random.choice(digits, size=2):
            data[place] = 48 + int(random.integers(10))
    return bytes(data)


def places(tree, path=()):
    """Paths to all that a tree of dicts and lists holds."""
    found = [path]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
        else:
            found.append((*path, key))
    return found


def made_up(manifest, arrays, random):
    """A manifest and arrays in which one to three things are odd."""
    manifest, arrays = copy.deepcopy(manifest), dict(arrays)
    for _ in range(random.integers(1, 4)):
        if random.random() < 0.2 and arrays:
            name = str(random.choice(sorted(arrays)))
            array = arrays.pop(name)
            if random.random() < 0.7:
                kind = random.integers(4)
                array = (
                    array[: int(random.integers(len(array) + 1))], np.concatenate([array, array]),
                    np.full_like(array, np.nan if array.dtype.kind == "f" else 255),
                    array.astype(np.float32),
                )[kind]  # fmt: skip
                arrays[name if random.random() < 0.8 else "9.codes"] = array
            continue
        paths = places(manifest)
        *path, key = paths[1 + int(random.integers(len(paths) - 1))]
        holder = manifest
        for step in path:
            holder = holder[step]
        kind = random.random()
        if kind < 0.2:
            del holder[key]
        elif kind < 0.4 and isinstance(holder, dict):
            holder[f"{key} "] = holder[key]
        elif kind < 0.5 and isinstance(holder, list):
            holder.append(holder[key])
        elif kind < 0.7 and isinstance(holder[key], int | float):
            holder[key] = holder[key] * int(random.choice([-1, 0, 2, 1000])) + 1
        else:
            holder[key] = copy.deepcopy(ODD[int(random.integers(len(ODD)))])
    return manifest, arrays
