"""The browser pages. The only place that knows Gradio; nothing here knows a tensor, a model or a table of the journal."""
