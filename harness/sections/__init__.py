"""Parts of the HTML page: `render(report)`."""
