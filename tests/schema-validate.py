#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Validate every line of an NDJSON file against schema/cb-event.schema.json.

schema-validate.py FILE [--at-least N]: prints the first failures, exits 1 if there are any, or
if the file has fewer than N lines (default 1: an empty file proves nothing)."""
import json
import os
import sys

import jsonschema

HERE = os.path.dirname(os.path.abspath(__file__))
SHOWN = 10


def pairs(items):
    """An object, its keys given once."""
    d = dict(items)
    if len(d) != len(items):
        raise ValueError("key given twice")
    return d


def constant(name):
    raise ValueError(name + " is not JSON")


def main():
    path = sys.argv[1]
    least = int(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[2] == "--at-least" else 1
    with open(os.path.join(HERE, "..", "schema", "cb-event.schema.json"), encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    lines = bad = 0
    with open(path, "rb") as f:
        for number, raw in enumerate(f, 1):
            lines += 1
            why = None
            if not raw.endswith(b"\n"):
                why = "no line feed at the end"
            else:
                try:
                    event = json.loads(raw.decode("utf-8"), object_pairs_hook=pairs,
                                       parse_constant=constant)
                    error = jsonschema.exceptions.best_match(validator.iter_errors(event))
                    if error:
                        why = "/".join(str(x) for x in error.absolute_path) + ": " + error.message
                except ValueError as e:
                    why = str(e)
            if why:
                bad += 1
                if bad <= SHOWN:
                    print("%s:%d: %s" % (path, number, why[:300]))
    if bad:
        print("%s: %d of %d lines are not valid events" % (path, bad, lines))
    elif lines < least:
        print("%s: %d lines, at least %d expected" % (path, lines, least))
        bad = 1
    return 1 if bad else 0


sys.exit(main())
