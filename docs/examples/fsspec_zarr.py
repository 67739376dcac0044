"""Zarr keeps an array in the tree, one file for each chunk."""

import fsspec
import numpy
import zarr
from zarr.storage import FsspecStore

fs = fsspec.filesystem("cidbus", asynchronous=True)
store = FsspecStore(fs, path="/examples/zarr/temperatures")

array = zarr.create_array(store, shape=(100, 100), chunks=(25, 25), dtype="float64", overwrite=True)
array[:] = numpy.arange(10_000).reshape(100, 100)

print("corner:", zarr.open_array(store, mode="r")[98:, 98:].tolist())
