"""TensorFlow's operations by which a model could reach out of its own arithmetic.

Compiled from the operations registered in TensorFlow 2.21 (`dir(tf.raw_ops)`) and those of
its compilers. A name that is not registered where a model is loaded does no harm here.
"""

PYTHON = frozenset(("EagerPyFunc", "PyFunc", "PyFuncStateless"))
"""Call back into the Python process that loaded the model."""

CHECKPOINT = frozenset(
    (
        "DistributedSave",
        "MergeV2Checkpoints",
        "Restore",
        "RestoreSlice",
        "RestoreV2",
        "Save",
        "SaveSlices",
        "SaveV2",
    )
)
"""Read and write weights. Every SavedModel does with its own; elsewhere it is file access."""

FILE = frozenset(
    (
        "CSVDataset",
        "CSVDatasetV2",
        "CacheDataset",
        "CacheDatasetV2",
        "CreateSummaryDbWriter",
        "CreateSummaryFileWriter",
        "DatasetToTFRecord",
        "DecodeProtoV2",
        "DumpTensor",
        "EncodeProto",
        "ExperimentalCSVDataset",
        "ExperimentalDatasetToTFRecord",
        "ExperimentalLMDBDataset",
        "ExperimentalMatchingFilesDataset",
        "ExperimentalSqlDataset",
        "FixedLengthRecordDataset",
        "FixedLengthRecordDatasetV2",
        "FixedLengthRecordReader",
        "FixedLengthRecordReaderV2",
        "ImmutableConst",
        "InitializeTRTResource",
        "InitializeTableFromTextFile",
        "InitializeTableFromTextFileV2",
        "LMDBDataset",
        "LMDBReader",
        "ListSnapshotChunksDataset",
        "LoadAndRemapMatrix",
        "LoadDataset",
        "MatchingFiles",
        "MatchingFilesDataset",
        "ReadFile",
        "RecordInput",
        "SaveDataset",
        "SaveDatasetV2",
        "SnapshotChunkDataset",
        "SnapshotDataset",
        "SnapshotDatasetReader",
        "SnapshotDatasetV2",
        "SnapshotNestedDatasetReader",
        "SqlDataset",
        "TFRecordDataset",
        "TFRecordDatasetV2",
        "TFRecordReader",
        "TFRecordReaderV2",
        "TextLineDataset",
        "TextLineReader",
        "TextLineReaderV2",
        "WholeFileReader",
        "WholeFileReaderV2",
        "WriteFile",
    )
)
"""Open files that the model names."""

NETWORK = frozenset(
    (
        "DataServiceDataset",
        "DataServiceDatasetV2",
        "DataServiceDatasetV3",
        "DataServiceDatasetV4",
        "DebugIdentity",
        "DebugIdentityV2",
        "DebugIdentityV3",
        "DebugNanCount",
        "DebugNumericSummary",
        "DebugNumericSummaryV2",
        "FileSystemSetConfiguration",
        "GcsConfigureBlockCache",
        "GcsConfigureCredentials",
        "RegisterDataset",
        "RegisterDatasetV2",
        "RpcCall",
        "RpcClient",
    )
)
"""Talk to other processes, or decide how files elsewhere are reached."""

OPAQUE = frozenset(
    (
        "DatasetFromGraph",
        "DeserializeIterator",
        "RemoteFusedGraphExecute",
        "TRTEngineOp",
        "XlaCallModule",
    )
)
"""Run a program that is packed in a string, which a scan of the graph cannot see."""

PROCESS = frozenset(("Abort",))
"""End the process."""

REASONS = {
    **dict.fromkeys(PYTHON, "calls Python"),
    **dict.fromkeys(FILE, "opens files"),
    **dict.fromkeys(NETWORK, "reaches other processes"),
    **dict.fromkeys(OPAQUE, "runs a program that cannot be scanned"),
    **dict.fromkeys(PROCESS, "ends the process"),
}
