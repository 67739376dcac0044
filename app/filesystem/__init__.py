"""The system as file systems of fsspec: `cidbus://`, the file tree, and `ipfs://`, content by its CID.

fs = fsspec.filesystem("cidbus", url="http://127.0.0.1:8000")
with fs.transaction, fs.open("/data/one.csv", "w") as file: ...
pandas.read_parquet("ipfs://bafy…/two.parquet", storage_options={"verify": True})
"""

from __future__ import annotations

from .immutable import IpfsFileSystem
from .tree import CidbusFileSystem

__all__ = ["CidbusFileSystem", "IpfsFileSystem"]
