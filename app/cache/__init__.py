"""The index's optimizer under the names that its documentation uses."""
