"""Result files of serving benchmarks, read into measured rows.

`load_results` tells the format from the content:

=============================================  ==========================================
format                                         reader
=============================================  ==========================================
vLLM ``bench serve`` JSON, one or several      `data.results.vllm`
GuideLLM ``benchmarks.json``                   `data.results.guidellm`
AIPerf and GenAI-Perf JSON and CSV exports     `data.results.aiperf`
InferenceX (InferenceMAX) ``agg_*.json``       `data.results.inferencex`
MLPerf ``mlperf_log_summary.txt``              `data.results.mlperf`
CSV of measured rows (``docs/measurements.md``)  `data.measurements`
=============================================  ==========================================
"""

from data.results.load import load_results

__all__ = ["load_results"]
