"""Readers that turn raw text files into chunks of rows and reject malformed lines."""
