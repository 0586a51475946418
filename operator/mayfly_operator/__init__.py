"""The operator: turns what people declare into versions, pods and status."""
