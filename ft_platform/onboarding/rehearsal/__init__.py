"""What a first run would stumble over, found before it: columns compared with the source, and some rows led through the
data stages and the training audit. Nothing is written to the lake."""
