"""Metrics of several units as one text that Prometheus takes."""

from prometheus_client.parser import text_string_to_metric_families

from streamforge.metrics import Metrics
from streamforge.web.metrics_join import join


def test_each_family_stands_once_and_each_sample_names_its_unit() -> None:
    metrics = Metrics()
    metrics.records_in.inc(5)
    metrics.errors.labels(stage="read", type="timeout").inc()
    text = metrics.text().decode()
    families = list(text_string_to_metric_families(join({"a": text, 'b"\\': text, "gone": None})))
    assert len({family.name for family in families}) == len(families)
    samples = [sample for family in families for sample in family.samples]
    assert all("unit" in sample.labels for sample in samples)
    assert {sample.labels["unit"] for sample in samples if sample.name == "streamforge_records_in_total"} == {
        "a",
        'b"\\',
    }
    assert {"stage": "read", "type": "timeout", "unit": "a"} in [sample.labels for sample in samples]
    answers = {sample.labels["unit"]: sample.value for sample in samples if sample.name == "streamforge_unit_answers"}
    assert answers == {"a": 1, 'b"\\': 1, "gone": 0}


def test_nonsense_of_one_unit_does_not_spoil_the_others() -> None:
    text = join({"good": "# TYPE x gauge\nx 1\n", "bad": "<html>\n{}{}\n\x00"})
    assert 'x{unit="good"} 1' in text
    assert "html" not in text
