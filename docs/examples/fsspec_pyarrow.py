"""pyarrow.dataset writes a partitioned dataset as one change, and reads only what it needs of it."""

import fsspec
import pyarrow as pa
import pyarrow.dataset as ds

fs = fsspec.filesystem("cidbus")
table = pa.table({"year": [2024, 2025, 2025, 2026], "value": [1.0, 2.0, 4.0, 8.0]})

with fs.transaction:  # nobody sees a part of it
    ds.write_dataset(
        table, "/examples/pyarrow", filesystem=fs, format="parquet", partitioning=["year"],
        existing_data_behavior="overwrite_or_ignore",
    )

values = ds.dataset("/examples/pyarrow", filesystem=fs, format="parquet", partitioning=["year"])
print("files:", len(values.files))
print("2025:", values.to_table(filter=ds.field("year") == 2025)["value"].to_pylist())
