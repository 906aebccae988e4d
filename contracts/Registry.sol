// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Values under string keys. Whoever puts a key first owns it, and nobody else can change its value.
contract Registry {
    struct Entry {
        address owner;
        bytes value;
    }

    /// The value is kept in storage, not in the event alone, so that one call reads it as of any block.
    mapping(string key => Entry) private entries;
    string[] private keys;

    event Put(address indexed owner, string key, bytes value);

    error Empty();
    error KeyTaken(address owner);

    /// Stores `value` under `key`, or replaces the sender's own earlier one.
    function put(string calldata key, bytes calldata value) external {
        if (bytes(key).length == 0 || value.length == 0) revert Empty();
        Entry storage entry = entries[key];
        if (entry.owner == address(0)) {
            entry.owner = msg.sender;
            keys.push(key);
        } else if (entry.owner != msg.sender) {
            revert KeyTaken(entry.owner);
        }
        entry.value = value;
        emit Put(msg.sender, key, value);
    }

    /// The zero address and no bytes where the key was never put.
    function get(string calldata key) external view returns (address owner, bytes memory value) {
        Entry storage entry = entries[key];
        return (entry.owner, entry.value);
    }

    /// How many keys there are.
    function count() external view returns (uint256) {
        return keys.length;
    }

    /// Up to `limit` keys from number `start` on, in the order in which they were first put.
    function page(uint256 start, uint256 limit) external view returns (string[] memory found) {
        uint256 total = keys.length;
        if (start >= total) return found;
        uint256 length = total - start < limit ? total - start : limit;
        found = new string[](length);
        for (uint256 i = 0; i < length; i++) {
            found[i] = keys[start + i];
        }
    }
}
