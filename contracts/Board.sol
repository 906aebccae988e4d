// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Posts in threads. Whoever writes a post may change it, and everybody may like it once.
contract Board {
    struct Post {
        address author;
        uint32 likes;
        string text;
    }

    mapping(string id => Post) private posts;
    mapping(string id => mapping(address => bool)) private likers;

    event Posted(string id, string thread, address indexed author, string text);
    event Edited(string id, string text);
    event Liked(string id, address indexed by, uint256 likes);

    error Empty();
    error Taken();
    error NotYours(address author);
    error LikedAlready();
    error Unknown();

    /// Writes a post under an id that nobody has used.
    function post(string calldata id, string calldata thread, string calldata text) external {
        if (bytes(id).length == 0 || bytes(text).length == 0) revert Empty();
        if (posts[id].author != address(0)) revert Taken();
        posts[id] = Post(msg.sender, 0, text);
        emit Posted(id, thread, msg.sender, text);
    }

    /// Changes the text of one's own post.
    function edit(string calldata id, string calldata text) external {
        Post storage entry = known(id);
        if (bytes(text).length == 0) revert Empty();
        if (entry.author != msg.sender) revert NotYours(entry.author);
        entry.text = text;
        emit Edited(id, text);
    }

    /// Likes a post, once.
    function like(string calldata id) external {
        Post storage entry = known(id);
        if (likers[id][msg.sender]) revert LikedAlready();
        likers[id][msg.sender] = true;
        entry.likes += 1;
        emit Liked(id, msg.sender, entry.likes);
    }

    /// How many like a post, and whether `who` does.
    function likesOf(string calldata id, address who) external view returns (uint256 likes, bool liked) {
        return (posts[id].likes, likers[id][who]);
    }

    function known(string calldata id) private view returns (Post storage entry) {
        entry = posts[id];
        if (entry.author == address(0)) revert Unknown();
    }
}
