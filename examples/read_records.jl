# Reads the records of a compressed file of Tessera in Julia. Needs the package JSON and the zstd program.
#
# No test runs this file: if it does not work, docs/formats.md says what is right. It checks no end mark, so a file that was
# cut between two records looks whole to it. Sizes are reversed: tokens [images, views, places] come as [places, views,
# images].
using JSON

const TYPES = Dict("U8" => UInt8, "I8" => Int8, "BOOL" => Bool, "U16" => UInt16, "I16" => Int16, "F16" => Float16,
                   "U32" => UInt32, "I32" => Int32, "F32" => Float32, "U64" => UInt64, "I64" => Int64, "F64" => Float64)

function read_records(path)
    io = IOBuffer(read(`zstd -dcq $path`))
    records = []
    while !eof(io)
        header = JSON.parse(String(read(io, ltoh(read(io, UInt64)))))
        metadata = pop!(header, "__metadata__", Dict())
        base, stop, tensors = position(io), position(io), Dict()
        for (name, entry) in header
            begins, ends = entry["data_offsets"]
            seek(io, base + begins)
            data = reinterpret(TYPES[entry["dtype"]], read(io, ends - begins))
            tensors[name] = reshape(data, reverse(Tuple(Int.(entry["shape"]))))
            stop = max(stop, base + ends)
        end
        seek(io, stop)
        push!(records, (metadata, tensors))
    end
    records
end
