"""IPNS: keys and the names they make, signed records, the service that publishes and resolves them."""
