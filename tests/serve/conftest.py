def pytest_configure(config):
    config.addinivalue_line("markers", "oracle: runs another project's program in an environment of its own, if given")
