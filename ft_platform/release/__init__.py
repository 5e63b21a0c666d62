"""Whether a checkpoint may be released: typed evidence, the rules of the YAML, waivers of people, and the decision."""
