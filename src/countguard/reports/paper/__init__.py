"""The paper's protocol and published values, beside what was measured."""
