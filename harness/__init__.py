"""Pick the embedding model for a search or RAG system, and defend the pick."""

__version__ = "0.1.0"
