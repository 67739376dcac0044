"""Who has what: what the nodes of the cluster have told of themselves."""
