"""pandas reads and writes the file tree, and content by its CID."""

import fsspec
import pandas

# Only needed where another package that knows ipfs:// is installed too.
fsspec.register_implementation("ipfs", "cidbus.filesystem.IpfsFileSystem", clobber=True)

table = pandas.DataFrame({"city": ["Bern", "Oslo", "Lima"], "people": [134_591, 709_037, 10_092_000]})
table.to_parquet("cidbus:///examples/pandas/cities.parquet")
table.to_csv("cidbus:///examples/pandas/cities.csv", index=False)

people = pandas.read_parquet("cidbus:///examples/pandas/cities.parquet", columns=["people"])
print("people:", people["people"].sum())

# The same bytes, whoever serves them: hashed here as they arrive.
cid = fsspec.filesystem("cidbus").cid("/examples/pandas/cities.csv")
print(pandas.read_csv(f"ipfs://{cid}", storage_options={"verify": True}).equals(table))
