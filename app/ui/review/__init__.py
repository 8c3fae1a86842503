"""The Review page: prompt, marks, correction, and what the edit did."""
