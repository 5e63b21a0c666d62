"""The rules of a release, one kind per file, which has it as `KIND` (`release.rule.Kind`). A new kind is one new file
and one test."""
