"""Archives of results for evaluation servers: packing, checking before upload, unpacking."""
