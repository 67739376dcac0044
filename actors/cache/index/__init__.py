"""The Parquet CID index: what is known about each CID, in sorted runs, hot columns and a log."""
