"""Who answers the rows of the ipfs actor: the embedded node, a Kubo daemon, gateways, or a simulation."""
