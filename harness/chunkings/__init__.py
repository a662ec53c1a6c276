"""Long texts to passages: `cut(texts, encoder)`."""
