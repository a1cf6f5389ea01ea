"""Names for what a raised kernel computes, and the same as TVM's own operators."""
