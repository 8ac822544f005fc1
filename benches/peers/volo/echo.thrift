namespace rs echo

struct Record {
    1: required i64 id,
    2: required string name,
    3: required double score,
    4: required string city,
    5: required string street,
    6: required string note,
}

service Echo {
    binary ping(1: required binary data),
    binary blob(1: required binary data),
    list<Record> structs(1: required list<Record> records),
    void slow(),
}
