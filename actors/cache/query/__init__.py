"""Questions to the index: filters, sorting, cursors, aggregates and how they are answered."""
