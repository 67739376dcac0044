"""Polars writes into open files, and scans by way of pyarrow, which reads no more than it needs."""

import fsspec
import polars as pl
import pyarrow.dataset as ds

fs = fsspec.filesystem("cidbus")
frame = pl.DataFrame({"name": ["a", "b", "c"], "size": [1, 2, 3]})

with fs.open("/examples/polars/sizes.parquet", "wb") as file:
    frame.write_parquet(file)

with fs.open("/examples/polars/sizes.parquet") as file:
    print(pl.read_parquet(file).equals(frame))

sizes = pl.scan_pyarrow_dataset(ds.dataset("/examples/polars/sizes.parquet", filesystem=fs))
print("larger than 1:", sizes.filter(pl.col("size") > 1).select("name").collect()["name"].to_list())
