"""The journal actor's rows: the engine beside this folder, spoken over the bus."""
