from cidbus.mcp import MCPServer

# Configure custom cache settings with ParquetCIDCache
server = MCPServer(
    cache_config={
        "memory_limit": 500 * 1024 * 1024,  # 500MB
        "disk_limit": 5 * 1024 * 1024 * 1024,  # 5GB
        "disk_path": "/mnt/fast_storage/ipfs_cache",
        "enable_parquet_cache": True,  # Enable ParquetCIDCache for metadata
        "parquet_cache_path": "/mnt/fast_storage/parquet_cache",
        "parquet_max_partition_rows": 100000,
        "parquet_auto_sync": True,
        "parquet_sync_interval": 300  # Seconds
    }
)
