"""Asks the reference evaluator of the language what stores are asked in reference.go.

usage: reference.py REFERENCE_FOLDER OUTPUT_FOLDER < questions.json

Writes the records of its synthetic network, a file of JSON lines a table, and
answers.json: the hunts of hunts.wq, the questions of foreign.py and those of
standard input, with the rows or the refusal of each.

Before, it makes the data what records of Weir are: empty text is missing,
times and durations have microseconds, bytes are whole numbers, and every
record has a sensor, as @sensors:dns is computed and not a list.
"""
import ast
import json
import re
import sys

sys.dont_write_bytecode = True
reference, output = sys.argv[1:]
sys.path.insert(0, reference)
import data
import wq

tables, lists, local, now = data.build()
for rows in tables.values():
    for row in rows:
        row.setdefault("sensor", "core-1")
        for key, value in row.items():
            if value == "":
                row[key] = None
            elif key in ("ts", "dur"):
                row[key] = round(value, 6)
            elif key.startswith("bytes"):
                row[key] = int(value)
for name, rows in tables.items():
    with open(f"{output}/{name}.json", "w") as f:
        for row in rows:
            f.write(json.dumps(row) + "\n")

questions = []
for block in re.split(r"^## ", open(f"{reference}/hunts.wq").read(), flags=re.M)[1:]:
    title, text = block.split("\n", 1)
    questions.append((title, text))
# foreign.py prints when it is imported: its list is read, not run.
for node in ast.parse(open(f"{reference}/foreign.py").read()).body:
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "Q":
        questions += [("dialect", text) for text in ast.literal_eval(node.value)]
questions += [("more", text) for text in json.load(sys.stdin)]

engine = wq.Engine(tables, lists, now, local)
answers = []
for title, text in questions:
    answer = {"title": title, "text": text}
    try:
        tree = wq.parse(text)
        engine.lint(tree)
        result = engine.run(tree)
        answer.update(rows=result["rows"], scanned=result["scanned"])
        sort = [stage for stage in tree["stages"] if stage[0] == "sort"]
        answer["sort"] = sort[-1][1][0][0] if sort else ""
    except wq.WqError as error:
        answer.update(error=error.msg, fix=error.fix or "")
    answers.append(answer)
with open(f"{output}/answers.json", "w") as f:
    json.dump({"now": now, "lists": lists, "answers": answers}, f)
