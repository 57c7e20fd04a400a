#!/usr/bin/env python3
"""Confirms what cards say, and how they differ, by what facts.py found out in the same systems.

confirm.py FOLDER SYSTEM...: in FOLDER/SYSTEM are card/card.json and facts.json. Fails where a card's value is not what
facts.py found, and where two cards differ in something that facts.py does not know or in which its findings are the same.
"""
import itertools
import json
import os
import sys

# Values that facts.py does not look for, since a system has them written down or they are times of this machine.
NOT_LOOKED_FOR = {
    ("tcp.handshake", "time"): "a time, which differs from run to run",
}


def plain(value):
    """A card's value as facts.py writes it."""
    kind = value["kind"]
    return {
        "count": lambda: value["count"],
        "counts": lambda: dict(value["points"]),
        "seconds": lambda: value["seconds"],
        "schedule": lambda: value["seconds"],
        "word": lambda: value["word"],
    }[kind]()


def agree(card, fact):
    """Whether both are the same, in what both have looked at."""
    if isinstance(card, dict):
        fact = dict(map(tuple, fact))
        shared = set(card) & set(fact)
        return bool(shared) and all(card[one] == fact[one] for one in shared)
    if isinstance(card, list):
        shared = min(len(card), len(fact))
        return shared > 1 and all(abs(a - b) <= 0.15 + 0.06 * a for a, b in zip(card, fact))
    if isinstance(card, float):
        return abs(card - fact) <= 0.2 * max(card, fact)
    return card == fact


def read(folder, system):
    with open(os.path.join(folder, system, "card", "card.json")) as text:
        card = json.load(text)
    values = {}
    for experiment in card["experiments"]:
        for one in experiment["inferred"]:
            settings = tuple(sorted(experiment["settings"].items()))
            values[experiment["id"], experiment["family"], settings, one["name"]] = plain(one["value"])
    with open(os.path.join(folder, system, "facts.json")) as text:
        facts = json.load(text)
    found = {(f["id"], f["family"], tuple(sorted(f["settings"].items())), f["name"]): f["value"] for f in facts}
    return values, found


def same(a, b):
    if isinstance(a, dict):
        return all(a[one] == b[one] for one in set(a) & set(b))
    if isinstance(a, list):
        return all(abs(x - y) <= 0.06 * max(x, y) for x, y in zip(a, b))
    return a == b


def name(key):
    id, family, settings, value = key
    return " ".join([id, value, family or "", *(f"{k}={v}" for k, v in settings)]).strip()


def main():
    folder, systems = sys.argv[1], sys.argv[2:]
    known = {system: read(folder, system) for system in systems}
    wrong, confirmed = [], 0
    for system, (values, found) in known.items():
        for key in values.keys() & found.keys():
            if agree(values[key], found[key]):
                confirmed += 1
            else:
                wrong.append(f"{system}: {name(key)}: the card says {values[key]}, facts.py found {found[key]}")
    differences = 0
    for a, b in itertools.combinations(systems, 2):
        (ours, our_facts), (its, its_facts) = known[a], known[b]
        for key in sorted(ours.keys() & its.keys(), key=str):
            if same(ours[key], its[key]) or (key[0], key[3]) in NOT_LOOKED_FOR:
                continue
            differences += 1
            if key not in our_facts or key not in its_facts:
                wrong.append(f"{a} and {b}: {name(key)}: {ours[key]} and {its[key]} was not confirmed by facts.py")
    print(f"{confirmed} values confirmed, {differences} differences looked at")
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


main()
