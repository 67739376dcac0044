"""A dataset of `datasets` is saved into the tree, and another one read from a file there."""

import fsspec
from datasets import Dataset, load_dataset, load_from_disk

Dataset.from_dict({"text": ["one", "two", "three"], "label": [0, 1, 0]}).save_to_disk("cidbus:///examples/datasets/saved")
print(list(load_from_disk("cidbus:///examples/datasets/saved")["text"]))

fsspec.filesystem("cidbus").pipe("/examples/datasets/more.jsonl", b'{"text": "four"}\n{"text": "five"}\n')
streamed = load_dataset("json", data_files="cidbus:///examples/datasets/more.jsonl", split="train", streaming=True)
print([row["text"] for row in streamed])
