"""DuckDB queries and writes files of the tree, and queries content by its CID."""

import duckdb
import fsspec
from cidbus.filesystem import IpfsFileSystem

fs = fsspec.filesystem("cidbus")
connection = duckdb.connect()
connection.register_filesystem(fs)
connection.register_filesystem(IpfsFileSystem())

connection.sql(
    "COPY (SELECT range AS n, range % 10 AS digit FROM range(100000)) "
    "TO 'cidbus:///examples/duckdb/numbers.parquet' (FORMAT parquet)"
)
counted = "SELECT digit, count(*) FROM '{}' WHERE digit = 7 GROUP BY digit"
print(connection.sql(counted.format("cidbus:///examples/duckdb/numbers.parquet")).fetchall())

folder = fs.cid("/examples/duckdb")
print(connection.sql(counted.format(f"ipfs://{folder}/numbers.parquet")).fetchall())
