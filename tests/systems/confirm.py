#!/usr/bin/env python3
"""Confirms what cards say, and how they differ, by what facts.py found out in the same systems.

confirm.py FOLDER SYSTEM...: in FOLDER/SYSTEM are card/card.json and facts.json. Fails where a card's value is not what
facts.py found, and where two cards differ, by more than their uncertainty, in something that facts.py has not found out
in both systems. Values of low confidence claim nothing. What is wrong is noted in FOLDER/wrong.json; where that is there
already, only what is wrong again counts: a busy machine delays any one program, but seldom the same value twice.
"""
import itertools
import json
import os
import sys

# Not looked for, and why.
LEFT_OUT = {
    "connect_p99": "the slowest of some hundred is a matter of chance",
    "kernel_rtt_p99": "the slowest of some hundred is a matter of chance",
    "beyond_sequential": "comes about by chance",
    "without_place": "comes about by chance",
}


def agree(card, fact):
    """Whether a card's value is what facts.py found, in what both have looked at."""
    kind = card["kind"]
    if kind == "counts":
        points, fact = dict(map(tuple, card["points"])), dict(map(tuple, fact))
        shared = points.keys() & fact.keys()
        # A charge that no socket tells is a share of what a buffer is said to hold.
        near = lambda a, b: a == b or card["unit"] == "bytes" and abs(a - b) <= 0.02 * a
        return bool(shared) and all(near(points[one], fact[one]) for one in shared)
    if kind == "schedule":
        seconds = card["seconds"]
        near = all(abs(a - b) <= 0.15 + (0.06 + card["give"]) * a for a, b in zip(seconds, fact))
        return near and (not card["complete"] or len(fact) <= len(seconds))
    if kind == "seconds":
        # Times of different programs on a busy machine: of the same order.
        return fact / 8 <= card["seconds"] <= fact * 8 or abs(card["seconds"] - fact) <= 1.0
    if isinstance(fact, list):
        # What chance decides.
        return card["word"] in fact
    if {fact, card.get("word")} == {"at_once", "delayed"}:
        # A kernel that counts whole seconds keeps a port for anything up to one.
        return True
    return fact == card["count" if kind == "count" else "word"]


def differ(a, b):
    """Whether two cards' values differ by more than they may (measure/card/value.rs)."""
    if a["kind"] != b["kind"]:
        return True
    if a["kind"] == "counts":
        ours, its = dict(map(tuple, a["points"])), dict(map(tuple, b["points"]))
        return any(ours[one] != its[one] for one in ours.keys() & its.keys())
    if a["kind"] == "seconds":
        return abs(a["seconds"] - b["seconds"]) > a["give"] + b["give"]
    if a["kind"] == "schedule":
        give = a["give"] + b["give"]
        ours, its = a["seconds"], b["seconds"]
        near = all(abs(x - y) <= give * max(x, y) for x, y in zip(ours, its))
        shorter = a["complete"] and len(ours) < len(its) or b["complete"] and len(its) < len(ours)
        return not near or shorter
    return a != b


def read(folder, system):
    with open(os.path.join(folder, system, "card", "card.json")) as text:
        card = json.load(text)
    values = {}
    for experiment in card["experiments"]:
        for one in experiment["inferred"]:
            settings = tuple(sorted(experiment["settings"].items()))
            if one["confidence"] != "low":
                values[experiment["id"], experiment["family"], settings, one["name"]] = one["value"]
    with open(os.path.join(folder, system, "facts.json")) as text:
        facts = json.load(text)
    found = {(f["id"], f["family"], tuple(sorted(f["settings"].items())), f["name"]): f["value"] for f in facts}
    return values, {key: value for key, value in found.items() if value is not None}


def shown(value):
    return value.get("points") or value.get("seconds") or value.get("word") or value.get("count")


def name(key):
    id, family, settings, value = key
    return " ".join([id, value, family or "", *(f"{k}={v}" for k, v in settings)]).strip()


def main():
    folder, systems = sys.argv[1], sys.argv[2:]
    known = {system: read(folder, system) for system in systems}
    wrong, confirmed = {}, 0
    for system, (values, found) in known.items():
        for key in sorted(values.keys() & found.keys(), key=str):
            if agree(values[key], found[key]):
                confirmed += 1
            else:
                wrong[f"{system}: {name(key)}"] = (f"the card says {shown(values[key])}, facts.py found {found[key]}")
    differences = left_out = 0
    for a, b in itertools.combinations(systems, 2):
        (ours, our_facts), (its, its_facts) = known[a], known[b]
        for key in sorted(ours.keys() & its.keys(), key=str):
            if not differ(ours[key], its[key]):
                continue
            if key[3] in LEFT_OUT:
                left_out += 1
                continue
            differences += 1
            if key not in our_facts or key not in its_facts:
                said = f"{shown(ours[key])} and {shown(its[key])}"
                wrong[f"{a} and {b}: {name(key)}"] = f"{said}: facts.py does not know"
    print(f"{confirmed} values confirmed, {differences} differences among them; {left_out} differences of chance left out")
    noted = os.path.join(folder, "wrong.json")
    before = json.load(open(noted)) if os.path.exists(noted) else None
    for key, why in wrong.items():
        print(f"{key}: {why}")
    with open(noted, "w") as text:
        json.dump(list(wrong), text)
    again = [key for key in wrong if before is None or key in before]
    if before is not None:
        print(f"wrong again: {', '.join(again) or 'nothing'}")
    sys.exit(1 if again else 0)


main()
