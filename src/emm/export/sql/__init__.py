"""SQL expressions over the raw columns of a row as operators of ONNX, with the values of Polars."""
