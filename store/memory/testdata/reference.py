"""Asks the reference evaluator of the language what Weir is asked in reference_test.go.

usage: reference.py REFERENCE_FOLDER OUTPUT_FOLDER < questions.json

Writes the records of its synthetic network to conn.json and dns.json, and its
answers to answers.json. Before both, it makes the data what records of Weir
are: empty text is missing, times and durations have microseconds.
"""
import json
import sys

reference, output = sys.argv[1:]
sys.path.insert(0, reference)
sys.dont_write_bytecode = True
import data
import wq

tables, lists, local, now = data.build()
tables = {name: tables[name] for name in ("conn", "dns")}
for rows in tables.values():
    for row in rows:
        for key, value in row.items():
            if value == "":
                row[key] = None
            elif key in ("ts", "dur"):
                row[key] = round(value, 6)
            elif key.startswith("bytes"):
                row[key] = int(value)
for name, rows in tables.items():
    with open(f"{output}/{name}.json", "w") as f:
        json.dump(rows, f)
# Fields that no row of the data has, but records of Weir have.
for name in tables:
    tables[name] = [dict(row) for row in tables[name]]
engine = wq.Engine(tables, lists, now, local)
answers = []
for question in json.load(sys.stdin):
    try:
        answers.append({"rows": engine.run(question)["rows"]})
    except wq.WqError as error:
        answers.append({"error": error.msg})
with open(f"{output}/answers.json", "w") as f:
    json.dump({"now": now, "answers": answers}, f)
