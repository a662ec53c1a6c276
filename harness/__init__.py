"""Pick the embedding model for a search or RAG system, and defend the pick."""
