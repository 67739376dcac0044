from cidbus.mcp import MCPServer
from cidbus.cache.schema_column_optimization import SchemaOptimizer, WorkloadType

# Create server with ParquetCIDCache
server = MCPServer(
    cache_config={
        "enable_parquet_cache": True,
        "parquet_cache_path": "~/.cidbus/cid_cache"
    }
)

# Access the ParquetCIDCache through the IPFS model
parquet_cache = server.models["ipfs"].ipfs_kit.parquet_cache

# Create a schema optimizer
optimizer = SchemaOptimizer()

# Optimize the schema based on workload type
optimizer.optimize_schema(parquet_cache.schema, WorkloadType.READ_HEAVY)

# Query CIDs with specific metadata
hot_cids = parquet_cache.query(
    filters={"heat_score": {"$gt": 0.7}},
    limit=10
)

# Get statistics about the cache
stats = parquet_cache.stats()
print(f"Total CIDs: {stats['record_count']}")
print(f"Total size: {stats['total_size_bytes'] / (1024*1024):.2f} MB")
