"""One back end per file. Its name is what `backend` of a compute profile holds; `ft_platform.compute.backend.Backend`
says what it offers."""
